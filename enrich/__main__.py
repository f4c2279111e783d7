"""`python -m enrich`."""

from enrich.options import main

raise SystemExit(main())
