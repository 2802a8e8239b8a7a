// Command tlpipe-bench is tlpipe's part in `make bench`: it exports the networks that are measured and runs them as
// tlpipe-worker does, in turns with its peers. savedmodels/bench/bench.py starts it.
package main
