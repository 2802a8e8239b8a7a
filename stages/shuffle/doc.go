// Package shuffle gives permutations that depend on a seed and a purpose alone.
package shuffle
