// Command tlpipe-bench is tlpipe's part in `make bench`: it exports the networks that are measured and runs them as
// tlpipe-worker does, in turns with its peers. cmd/tlpipe-bench/bench.py starts it.
//
// Beside it lie the scripts that measure tlpipe as a whole: bench.py and the peers, runs.py (whole commands), gpu.py and
// tutorial.py; in figures/ those that reproduce README's figures, try the configs on real data and search for settings.
package main
