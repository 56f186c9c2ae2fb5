"""`python -m lesioncare`."""

from lesioncare.cli import main

if __name__ == "__main__":
    main()
