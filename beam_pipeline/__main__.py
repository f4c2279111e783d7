"""`python -m beam_pipeline`."""

from beam_pipeline.options import main

raise SystemExit(main())
