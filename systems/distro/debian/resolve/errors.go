package resolve

import (
	"fmt"
	"strings"

	"sysc/systems/distro/debian/universe"
)

// An UnknownPackageError says that there is no such package.
type UnknownPackageError struct {
	// Want is what was asked for.
	Want Want
	// Versions are those that there are, the best first.
	Versions []string
	// Barred is true when a priority below 0 keeps all of them from being installed.
	Barred bool
	// Virtual is true when several packages provide the name, none has it.
	Virtual bool
	// Suggestions are names that may have been meant, the most likely first: what
	// provides the name, then what is spelled alike.
	Suggestions []string
}

// Error says what there is instead.
func (e *UnknownPackageError) Error() string { return e.Text("") }

// Text is the message with the place where the package was looked for, as in " in
// input \"debian\"".
func (e *UnknownPackageError) Text(where string) string {
	name := fmt.Sprintf("%q%s", e.Want.Label(), where)
	switch {
	case e.Barred:
		return fmt.Sprintf("package %s: a priority below 0 keeps it from being installed; there is %s", name, strings.Join(e.Versions, ", "))
	case len(e.Versions) > 0:
		return fmt.Sprintf("package %s: no version %s; there is %s", name, e.Want.Version, strings.Join(e.Versions, ", "))
	case e.Virtual:
		return fmt.Sprintf("package %s is virtual: choose one of %s", name, strings.Join(e.Suggestions, ", "))
	case len(e.Suggestions) == 0:
		return fmt.Sprintf("no package %s", name)
	}
	return fmt.Sprintf("no package %s; did you mean %s?", name, strings.Join(e.Suggestions, ", "))
}

func unknownPackage(u *universe.Universe, w Want) *UnknownPackageError {
	e := &UnknownPackageError{Want: w, Barred: w.Version == ""}
	for _, id := range w.from(u, u.Versions(w.name())) {
		e.Versions = append(e.Versions, u.Package(id).Version)
	}
	if len(e.Versions) == 0 {
		e.Barred = false
		e.Virtual = len(u.Providers(w.Name)) > 0
		for _, name := range u.Suggest(w.Name, w.Input) {
			e.Suggestions = append(e.Suggestions, w.Prefix+name)
		}
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
