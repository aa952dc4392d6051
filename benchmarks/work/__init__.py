"""Scripts that run as contenders: each a whole process, called with its arguments in a folder that holds ``all.lst``."""
