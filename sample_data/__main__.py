"""`python -m sample_data`."""

from sample_data.generate import main

raise SystemExit(main())
