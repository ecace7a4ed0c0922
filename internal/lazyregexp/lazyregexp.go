// Package lazyregexp has regular expressions that are compiled when they are first
// used. Those of package variables would be compiled whenever the program starts,
// and it starts once for each sandbox, too.
package lazyregexp

import (
	"regexp"
	"sync"
)

// New returns a function that returns the compiled expression. It is safe for
// concurrent use. The expression is part of the program: a wrong one is a panic.
func New(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
