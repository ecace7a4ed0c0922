package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

// What a terminal is told.
//
// What changes on one is drawn with the cursor left where it begins. When the terminal
// becomes narrower, it may break lines that are too long now, or cut them, and it takes the
// cursor along: so what was drawn is what follows the cursor, whatever has become of
// it. A key that is echoed is drawn over.
const (
	eraseLine  = "\x1b[K" // what follows of it
	eraseBelow = "\x1b[J" // what follows at all
	cursorUp   = "\x1b[%dA"
	wrapLines  = "\x1b[?7h"
	cutLines   = "\x1b[?7l" // if the terminal is narrower than it said, that makes no more lines of them
)

// defaultWidth is how many columns a terminal has that does not say.
const defaultWidth = 80

// lineWidth is how many columns a line may have on w's terminal: one that fills the last
// may wrap.
func lineWidth(w io.Writer) int {
	width, _ := terminalSize(w)
	if width <= 1 {
		width = defaultWidth
	}
	return width - 1
}

// drawLine draws a line over the one before.
func drawLine(w io.Writer, line string) { io.WriteString(w, "\r"+line+eraseBelow+"\r") }

// colour reports whether w is a terminal that shall get colours.
func (a *app) colour(w io.Writer) bool {
	return a.getenv("NO_COLOR") == "" && a.terminal(w)
}

// terminal reports whether w is a terminal that knows escape sequences.
func (a *app) terminal(w io.Writer) bool {
	return a.getenv("TERM") != "dumb" && isTerminal(w)
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// terminalSize is how many columns and rows w's terminal has, 0 if it is none or does
// not say.
func terminalSize(w io.Writer) (width, height int) {
	if file, ok := w.(*os.File); ok {
		if width, height, err := term.GetSize(int(file.Fd())); err == nil {
			return width, height
		}
	}
	return 0, 0
}

// progressMode is how progress is shown: as --progress says, and "auto" is "tree" on a
// terminal and "plain" elsewhere.
func (a *app) progressMode() string {
	switch {
	case a.progress != "auto":
		return a.progress
	case a.terminal(a.err):
		return "tree"
	}
	return "plain"
}
