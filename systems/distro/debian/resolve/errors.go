package resolve

import (
	"fmt"
	"strings"

	"sysc/systems/distro/debian/universe"
)

// An UnknownPackageError says that there is no such package.
type UnknownPackageError struct {
	Name string
	// Version is what was asked for, "" for any.
	Version string
	// Versions are those that there are, the best first.
	Versions []string
	// Virtual is true when several packages provide the name, none has it.
	Virtual bool
	// Suggestions are names that may have been meant, the most likely first: what
	// provides the name, then what is spelled alike.
	Suggestions []string
}

// Error says what there is instead.
func (e *UnknownPackageError) Error() string {
	switch {
	case len(e.Versions) > 0:
		return fmt.Sprintf("package %q: no version %s; there is %s", e.Name, e.Version, strings.Join(e.Versions, ", "))
	case e.Virtual:
		return fmt.Sprintf("package %q is virtual: choose one of %s", e.Name, strings.Join(e.Suggestions, ", "))
	case len(e.Suggestions) == 0:
		return fmt.Sprintf("no package %q", e.Name)
	}
	return fmt.Sprintf("no package %q; did you mean %s?", e.Name, strings.Join(e.Suggestions, ", "))
}

func unknownPackage(u *universe.Universe, w Want) *UnknownPackageError {
	e := &UnknownPackageError{Name: w.Name, Version: w.Version}
	for _, id := range u.Versions(w.Name) {
		e.Versions = append(e.Versions, u.Package(id).Version)
	}
	if len(e.Versions) == 0 {
		e.Virtual = len(u.Providers(w.Name)) > 0
		e.Suggestions = u.Suggest(w.Name)
	}
	return e
}

// An UnsatisfiableError says why a request has no answer.
type UnsatisfiableError struct {
	// Wants are those that cannot be met together; without any one of them the
	// others can be.
	Wants []string
	// Reasons are the chains that lead to the contradiction, as in
	// "a -> b (>= 2) -> c, but d conflicts with c".
	Reasons []string
}

// Error joins wants and reasons.
func (e *UnsatisfiableError) Error() string {
	what := "these packages cannot be installed together: " + strings.Join(e.Wants, ", ")
	if len(e.Wants) == 1 {
		what = "package " + e.Wants[0] + " cannot be installed"
	}
	return what + ": " + strings.Join(e.Reasons, "; ")
}
