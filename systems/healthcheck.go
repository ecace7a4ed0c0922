package systems

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A HealthCheck is something that has to hold on a machine for its generation to be
// good. Exactly one of Command, HTTP, TCP and Unit is set.
type HealthCheck struct {
	Name string `json:"name"`
	// Command is a program with its arguments, found in the machine's PATH unless it
	// is absolute: it has to end with 0.
	Command []string `json:"command,omitempty"`
	// HTTP is a URL that has to answer with a status of 200 to 399.
	HTTP string `json:"http,omitempty"`
	// TCP is HOST:PORT, where somebody has to accept connections.
	TCP string `json:"tcp,omitempty"`
	// Unit is a systemd unit that has to be active.
	Unit string `json:"unit,omitempty"`
	// Timeout is how long it may take until the check holds, in milliseconds.
	Timeout int64 `json:"timeout_ms"`
	// Wanted is set when a machine is good without it, so that it only warns.
	Wanted   bool   `json:"wanted,omitempty"`
	Position string `json:"position,omitempty"`
}

// Bounds of a check's timeout.
const (
	MinHealthTimeout = 100 * time.Millisecond
	MaxHealthTimeout = time.Hour
)

// Duration returns the timeout.
func (c HealthCheck) Duration() time.Duration { return time.Duration(c.Timeout) * time.Millisecond }

// Describe says in a few words what is asked for.
func (c HealthCheck) Describe() string {
	switch {
	case c.HTTP != "":
		return "GET " + c.HTTP
	case c.TCP != "":
		return "connect to " + c.TCP
	case c.Unit != "":
		return c.Unit + " is active"
	}
	return strings.Join(c.Command, " ")
}

// Check reports what is wrong with c.
func (c HealthCheck) Check() error {
	kinds := 0
	for _, given := range []bool{len(c.Command) > 0, c.HTTP != "", c.TCP != "", c.Unit != ""} {
		if given {
			kinds++
		}
	}
	if kinds != 1 {
		return errors.New("it takes exactly one of command, http, tcp and unit")
	}
	if d := c.Duration(); d < MinHealthTimeout || d > MaxHealthTimeout {
		return fmt.Errorf("a timeout of %v: from %v to %v", d, MinHealthTimeout, MaxHealthTimeout)
	}
	for _, arg := range c.Command {
		if strings.ContainsRune(arg, 0) {
			return errors.New("an argument with a NUL character")
		}
		if mentionsStore(arg) {
			return errors.New("a command is a program of the machine: install the package, or place the program with file")
		}
	}
	switch {
	case len(c.Command) > 0 && c.Command[0] == "":
		return errors.New("the command has no name")
	case c.HTTP != "":
		return checkURL(c.HTTP)
	case c.TCP != "":
		return checkAddress(c.TCP)
	}
	return nil
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%q is no address that begins with http:// or https://", s)
	}
	if u.User != nil {
		return errors.New("an address with a password: a manifest is for everybody to read")
	}
	return nil
}

func checkAddress(s string) error {
	host, port, err := net.SplitHostPort(s)
	if n, e := strconv.Atoi(port); err != nil || e != nil || host == "" || n < 1 || n > 65535 {
		return fmt.Errorf("%q is no HOST:PORT", s)
	}
	return nil
}

func healthTraits(c HealthCheck) (string, string, traits) {
	severity := "required"
	if c.Wanted {
		severity = "wanted"
	}
	return c.Name, c.Position, traits{{"asks", c.Describe()}, {"timeout", c.Duration().String()}, {"severity", severity}}
}
