"""Models on other machines: ``tc.load("ray://host:port/minilm")`` is a handle like any other.

A cluster of Ray Serve holds the models, one deployment each; this package is both ends of the
line. What goes over it, and why so:

- **HTTP to Serve's own proxy**, not the Ray client: whoever reaches a Ray client's port has its
  pickles executed, and the app would need Ray in its process. The proxy speaks plain HTTP, so the
  app needs nothing besides what it has, any load balancer can stand between, and a replica that
  dies is the proxy's and the retry's business.
- **Bytes and JSON, never a pickle.** A message (:mod:`packets`) is a safetensors buffer whose
  metadata holds one JSON header. What is not in a fixed list of names is refused at both ends.
- **Queries and keys, not patterns.** A trace crosses with O(n·d) numbers (:mod:`traces`); patterns
  are computed where somebody looks at them. Values, outputs and the residual stream follow when
  first asked for, by a request of their own.
- **The text is written on both sides.** The replica writes by the strategy and streams what each
  step noted; here the same code chooses from the same numbers (:mod:`steppers`). Where the
  choices part (a forced token, a fork) or a replica is lost, a new stream goes on from the tokens
  so far: nothing depends on what a replica remembers.
- **Every request can be repeated** without harm, so every one is when its replica is lost
  (:mod:`transport`).

Bind the proxy to loopback or a private network: it asks nobody who they are. Ray's own ports (GCS,
object manager, client) must never be reachable from outside: they run what they are sent.
"""
