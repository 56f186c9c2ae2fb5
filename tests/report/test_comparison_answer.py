from dataclasses import replace

import pytest

from lesioncare.evaluation import Spread
from lesioncare.report import text
from lesioncare.report.comparison.answer import answers, best_sentence, chance, headline
from lesioncare.report.comparison.study import ComparisonStudy

from .comparisons import make_comparison


@pytest.fixture
def study(tmp_path):
    """Builds a study in which `better` differs from `plain` as told; other numbers are as they were."""

    def build(by_seed=(0.071,), **fields):
        comparison = make_comparison(tmp_path, seeds=1)
        fields["spread"] = Spread((), by_seed)
        found = comparison.statistics
        pair = "plain", "better"
        one = replace(found.pairs[pair]["rare_recall"], **fields)
        pairs = {**found.pairs, pair: {**found.pairs[pair], "rare_recall": one}}
        comparison.__dict__["statistics"] = replace(found, pairs=pairs)
        return ComparisonStudy(comparison)

    return build


NAMES = {"rare_recall": "rare recall", "rare_recall_adjusted": "rare recall after logit adjustment"}
UP = {"a": 0.4, "b": 0.471, "difference": 0.071}


def test_a_shown_difference_is_told_with_its_numbers(study):
    one = study(**UP, low=0.031, high=0.129, p_corrected=0.012, n_comparisons=3)
    assert best_sentence(one, "rare_recall", "rare recall") == (
        "Rare recall, better against plain: the difference of +7.1 points (95\u202f% interval +3.1 to +12.9) "
        "is shown, also after correction "
        "for 3 comparisons (p 0.012)."
    )


def test_a_difference_that_is_not_shown_may_be_chance(study):
    one = study(**UP, low=-0.01, high=0.15, p_corrected=0.3)
    assert best_sentence(one, "rare_recall", "rare recall").endswith(
        "no difference shown: +7.1 points (95\u202f% interval \u22121.0 to +15.0) may be chance."
    )


def test_a_difference_that_correction_takes_away_is_not_shown(study):
    one = study(**UP, low=0.001, high=0.14, p_corrected=0.08, n_comparisons=3)
    said = best_sentence(one, "rare_recall", "rare recall")
    assert "no difference shown after correction for 3 comparisons (p 0.080)" in said
    assert "is shown" not in said
    assert text.verdict(one.against_first("better", "rare_recall")) == "unshown"
    assert text.verdict_words(one.against_first("better", "rare_recall")) == "not after correction"


def test_a_difference_that_a_seed_turns_round_is_not_shown(study):
    one = study(**UP, by_seed=(0.152, -0.01), low=0.031, high=0.129, p_corrected=0.012, n_comparisons=3)
    assert best_sentence(one, "rare_recall", "rare recall").endswith(
        "no difference shown: +7.1 points (95\u202f% interval +3.1 to +12.9), but the seeds do not agree "
        "(\u22121.0 to +15.2)."
    )
    assert text.verdict(one.against_first("better", "rare_recall")) == "unshown"
    assert text.verdict_words(one.against_first("better", "rare_recall")) == "the seeds do not agree"


def test_the_headline_says_what_is_shown_with_and_without_logit_adjustment(study):
    one = study(**UP, low=0.031, high=0.129, p_corrected=0.012, n_comparisons=3)
    found = one.found.pairs["plain", "better"]
    adjusted = replace(found["rare_recall_adjusted"], a=0.6, b=0.61, difference=0.01, low=-0.1, high=0.1)
    one.found.pairs["plain", "better"]["rare_recall_adjusted"] = adjusted
    values = [text.percent(value) for value in (0.471, 0.4, 0.61, 0.6)]
    single = one.found.singles["worse"]  # the best arm is the one with the highest number of its own
    single["rare_recall_adjusted"] = replace(single["rare_recall_adjusted"], value=0.1)
    assert headline(one, NAMES) == (
        f"Best in rare recall: better with {values[0]}, against {values[1]} with plain (the difference is "
        f"shown). Best in rare recall after logit adjustment: better with {values[2]}, against {values[3]} "
        "with plain (no difference shown)."
    )
    few = study(**UP, low=0.031, high=0.129, p_corrected=None, n_groups=3)
    assert "with plain (too few groups (3))." in headline(few, NAMES)


def test_with_one_comparison_nothing_is_said_of_correction(study):
    one = study(**UP, low=0.031, high=0.129, p_corrected=0.012, n_comparisons=1)
    assert best_sentence(one, "rare_recall", "rare recall").endswith("is shown (p 0.012).")


def test_too_few_groups_cannot_be_judged(study):
    one = study(**UP, low=0.031, high=0.129, p_corrected=None, n_groups=3)
    assert "cannot be judged: the smallest class has only 3 lesions or patients" in best_sentence(
        one, "rare_recall", "rare recall"
    )


def test_the_first_arm_can_be_the_best(tmp_path):
    gains = {"plain": 1.5, "better": -1.0, "worse": -2.0}
    study = ComparisonStudy(make_comparison(tmp_path, gains, seeds=1))
    lead, worth = answers(study)[0][:2]
    assert lead.startswith("No arm is above plain in rare recall (")
    assert "the next is better with" in lead
    assert lead.count("the next is better with") == 2  # after logit adjustment, too
    assert worth.startswith("Rare recall, better against plain: the difference of \u2212")


def test_the_answers_are_of_rare_recall_and_balanced_accuracy_with_logit_adjustment(tmp_path):
    study = ComparisonStudy(make_comparison(tmp_path))
    rare, balanced = answers(study)
    assert rare[0].startswith("Best in rare recall: better with ")
    assert "Best in rare recall after logit adjustment: " in rare[0]
    assert rare[1].startswith("Rare recall, better against plain: ")
    assert rare[2].startswith("Rare recall after logit adjustment, ")
    assert rare[3] == "Also shown against plain: lower with worse."
    assert balanced[0].startswith("Best in balanced accuracy: better with ")


@pytest.mark.parametrize(
    ("p", "said"),
    [
        (None, "p \u2013"),
        (0.0004, "p < 0.001"),
        (0.012, "p 0.012"),
        (0.0499, "p < 0.05"),
        (0.05, "p 0.050"),
        (0.3, "p 0.30"),
    ],
)
def test_a_p_value_stays_on_its_side_of_the_border(p, said):
    assert chance(p) == said
    assert ("0.050" in said) == (p == 0.05)
