"""The loop around the engine: passes on an interval, triggers in between, one leader at a time.

A thread of its own runs :class:`~m2s.watch.loop.Loop`; whatever wants a pass before its time pokes
:class:`~m2s.watch.triggers.Triggers`. Nothing here knows an edge or a signal: both are handed in.
"""
