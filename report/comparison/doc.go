// Package comparison sets the results of runs side by side and says what of their differences can be chance.
//
// A Run is what is known of one training and its evaluation, whoever carried it out: tlpipe, the PyTorch script, this
// config or another one, now or last night. New checks that runs can be compared at all and gives a Comparison. Runs on
// different data are refused; what limits a comparison (other test images, other splits, predictions that are gone) is
// among its Notes. Text, Markdown and HTML show one and the same list of tables; HTML adds plots.
package comparison
