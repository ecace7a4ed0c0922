package systems

import (
	"fmt"

	"sysc/store"
)

var zeroDigest store.Digest

// A declaration names something in a definition, for messages.
type declaration struct {
	what     string // "file /etc/motd"
	position string // "main.sysc.hcl:12", or empty
}

// A DeclarationError says what is wrong with one declaration of a definition.
type DeclarationError struct {
	// What is declared, as in "file /etc/motd".
	What string
	// Position is where, "file:line", or empty when that is not known.
	Position string
	// Problem says what is wrong, and the way out.
	Problem string
}

// Error returns "file:line: what: problem".
func (e *DeclarationError) Error() string {
	if e.Position == "" {
		return e.What + ": " + e.Problem
	}
	return e.Position + ": " + e.What + ": " + e.Problem
}

func (f File) declaration() declaration      { return declaration{"file " + f.Path, f.Position} }
func (x Directory) declaration() declaration { return declaration{"directory " + x.Path, x.Position} }
func (l Symlink) declaration() declaration   { return declaration{"symbolic link " + l.Path, l.Position} }
func (m MountPoint) declaration() declaration {
	return declaration{"mount point " + m.Path, m.Position}
}
func (u User) declaration() declaration  { return declaration{"user " + u.Name, u.Position} }
func (g Group) declaration() declaration { return declaration{"group " + g.Name, g.Position} }
func (u Unit) declaration() declaration  { return declaration{"unit " + u.Name, u.Position} }
func (c HealthCheck) declaration() declaration {
	return declaration{"health check " + c.Name, c.Position}
}

func (d declaration) errorf(format string, args ...any) error {
	return &DeclarationError{What: d.what, Position: d.position, Problem: fmt.Sprintf(format, args...)}
}

// at returns " at POSITION", or nothing.
func (d declaration) at() string {
	if d.position == "" {
		return ""
	}
	return " at " + d.position
}
