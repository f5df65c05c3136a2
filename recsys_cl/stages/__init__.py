"""The stages of a run, one file each, in order: what a verb, a flow, a test and a notebook all call.

Stages exchange folders. Each folder's name is the digest of all that went into it, so a stage whose folder is
there has nothing to do, and a run that was killed goes on where it stopped.
"""
