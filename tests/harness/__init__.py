"""What the integration tests stand on: a private httpd, clients, and the checks after every test."""
