// Package stagetest is what the tests of stages share: small data sets, models that need no TensorFlow, jobs, and cases of
// bad input.
package stagetest
