"""moto behind a check of who asks."""
