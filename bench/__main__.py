"""`python -m bench`."""

from bench.command import main

raise SystemExit(main())
