"""`python -m beam_pipeline`."""

from beam_pipeline.command import main

raise SystemExit(main())
