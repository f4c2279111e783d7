"""`python -m daeda_audit`."""

from daeda_audit.command import main

raise SystemExit(main())
