// Package look is what all pages share: colours for light and dark, type, tables, and plots drawn as SVG.
package look
