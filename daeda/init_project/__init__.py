"""`daeda init`: what files hold, a first project proposed from that, and the YAML in which it is written down."""
