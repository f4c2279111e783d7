"""`python -m daeda`."""

from daeda.cli.main import main

raise SystemExit(main())
