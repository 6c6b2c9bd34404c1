"""What is read from the accounts, one file a subject. Each read is made once, in batches, and changes nothing.

Accounts and regions are read in parallel. What could not be read is part of the result, never left out.
"""
