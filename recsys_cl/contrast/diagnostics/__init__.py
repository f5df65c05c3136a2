"""How a space of vectors looks: each figure a function of arrays, none of which is NaN or infinite.

Rows are vectors, (n, d). A figure that cannot be given, because there are too few vectors or they do not differ, is
None.
"""
