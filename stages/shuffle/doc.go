// Package shuffle makes random permutations that depend only on their length, a seed and a purpose.
package shuffle
