// Package wording formats messages for users: numbers with their nouns in singular or plural, lists of names, and a hint to the
// name nearest to a misspelt one.
package wording
