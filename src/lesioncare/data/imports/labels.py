"""One label for an image with several findings, by one rule that is said with the result."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from lesioncare.errors import ConfigError
from lesioncare.words import noun, several

REST = "other"

__all__ = ["REST", "LabelRule"]


@dataclass(frozen=True, slots=True)
class LabelRule:
    """How several findings become one label.

    Args:
        finding: None keeps the images with at most one finding, and leaves out the others. A name makes the
            label that finding where an image has it, alone or not, and "other" elsewhere.

    Example:
        >>> LabelRule().label({"Mass"}, "No Finding"), LabelRule().label(set(), "No Finding")
        ('Mass', 'No Finding')
        >>> LabelRule().label({"Mass", "Edema"}, "No Finding") is None
        True
        >>> LabelRule("Mass").label({"Mass", "Edema"}, "No Finding")
        'Mass'
    """

    finding: str | None = None

    @classmethod
    def parse(cls, text: str) -> "LabelRule":
        """Read "single" or "one:NAME".

        Raises:
            ConfigError: it is neither.
        """
        if text == "single":
            return cls()
        if text.startswith("one:") and text[4:].strip():
            return cls(text[4:].strip())
        raise ConfigError(f"--label-rule must be single, or one:NAME as in one:Effusion, but got {text!r}.")

    def label(self, findings: Collection[str], none: str) -> str | None:
        """The label; `none` where there is no finding; None where the image is to be left out."""
        if self.finding is not None:
            return self.finding if self.finding in findings else REST
        if len(findings) > 1:
            return None
        return next(iter(findings), none)

    def apply(
        self, findings: Mapping[str, Collection[str]], none: str, known: Iterable[str]
    ) -> tuple[dict[str, str], str]:
        """Label all images.

        Args:
            findings: of each image.
            none: label of an image without a finding.
            known: names that a finding may have.

        Returns:
            The label of each image that is kept, and the rule in a sentence.

        Raises:
            ConfigError: no image can have the finding.
        """
        names = sorted(set(known))
        if self.finding is not None and self.finding not in names:
            raise ConfigError(
                f"--label-rule one:{self.finding}: there is no such finding. Choose from {', '.join(names)}."
            )
        labels = {image: self.label(found, none) for image, found in findings.items()}
        kept = {image: label for image, label in labels.items() if label is not None}
        return kept, self._sentence(len(labels) - len(kept), none)

    def _sentence(self, dropped: int, none: str) -> str:
        if self.finding is not None:
            return (
                f"Label rule: {self.finding!r} where an image has this finding, alone or with others; "
                f"{REST!r} elsewhere (--label-rule one:{self.finding}). Boxes of other findings are left out."
            )
        left = "no image has several"
        if dropped:
            left = f"{several(dropped, 'image')} with several {noun(dropped, 'was', 'were')} left out"
        return (
            f"Label rule: images with one finding have its name, those without {none!r}; {left} "
            "(--label-rule single; one:NAME keeps all and tells one finding from the rest)."
        )
