// Package stages holds the six stages of a transfer-learning pipeline, one file each. Package formats holds what they
// exchange.
//
// fetch → archive → decode → images → normalize → dataset → featurize → features → fine-tune → model → evaluate → report
//
// Artifacts hold no times, hosts or absolute paths: the same settings and inputs give the same bytes.
package stages
