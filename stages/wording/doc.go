// Package wording helps to say things to people: numbers with their nouns, lists of names, the nearest name to a
// misspelt one.
package wording
