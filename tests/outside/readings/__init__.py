"""Independent readings of recorded answers: what a client has to get, written from the providers' own documentation.

`readings.reading` is what a reading holds; there is one module for each API that providers speak.
"""
