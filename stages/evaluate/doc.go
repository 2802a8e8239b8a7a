// Package evaluate is the stage that measures a trained model on one split and writes the report. Its gates are checked
// on the finished report.
package evaluate
