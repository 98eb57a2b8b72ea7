"""Every request of m2s, spoiled in every way that we know of: `make soak`.

``scenes`` plays what people do with m2s between real servers, and records the kinds of requests
that it makes (``kinds``): a new request is covered by itself. ``faults`` is what can go wrong with
one. A cell of the matrix is a kind with a fault, *once* or *always*; after each, ``verdict`` says
what was violated:

- a wrong write or deletion: an object is neither as it was nor as it should be;
- a traceback, or an error that is not one line;
- something over its bound: seconds, requests, memory; a redirect that was followed elsewhere;
- a wrong result with exit 0 and without a line that says so.

``make test`` tries a spread sample of the cells. `make soak` tries all of them, and then the tests
that exist for the other troubles: lies of a registry, SIGKILL at each write, SIGSTOP past the
lease, two writers, a full disk, a thousand passes, hostile input.
"""
