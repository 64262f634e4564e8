"""What the tests stand on: the server process, its command line, plain calls, raw sockets, the files on disk."""
