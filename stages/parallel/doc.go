// Package parallel fills batches side by side and gives them in their order.
package parallel
