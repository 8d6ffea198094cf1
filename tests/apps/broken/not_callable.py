application = "a text, not a callable"
