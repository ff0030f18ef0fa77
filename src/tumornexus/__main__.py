"""``python -m tumornexus`` is the command line."""

from tumornexus.cli import main

if __name__ == "__main__":
    main()
