// Package featuremap lays points of many numbers out in few, so that those that are alike lie near each other: principal
// components (PCA), by gonum's matrices.
//
// The components are found by a randomized range finder with power iterations (Halko, Martinsson and Tropp, "Finding structure
// with randomness", 2011, algorithms 4.4 and 5.1), which takes a few products with the data where an exact decomposition
// takes many. The random numbers have a fixed seed: the same points have the same map.
package featuremap
