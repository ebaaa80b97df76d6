"""What crews learn, in the system's table.

A shard of a crew's memories is a log: entries are numbered without a gap and put once, each only
when the one before it is there. So whoever has read up to a number has missed nothing below it,
however late another writer was, and goes on from there. The last entry of a memory is what it is.
"""
