package main

import (
	"encoding/xml"
	"fmt"
	"strings"

	"sysc/internal/atomicfile"
)

// The report that CI systems read: JUnit's, as its Ant task writes it
// (https://llg.cubic.org/docs/junit/).
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitFailure `xml:"failure"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// report writes the JUnit file, when one is wanted: one suite for each file of
// tests.
func (t *tests) report() error {
	if t.junit == "" {
		return nil
	}
	all := junitSuites{Tests: t.passed + t.failed, Failures: t.failed}
	seconds := map[string]float64{}
	for _, r := range t.results {
		if n := len(all.Suites); n == 0 || all.Suites[n-1].Name != r.File {
			all.Suites = append(all.Suites, junitSuite{Name: r.File})
		}
		s := &all.Suites[len(all.Suites)-1]
		c := junitCase{Name: r.Name, Class: strings.TrimSuffix(r.File, ".hcl"), Time: junitTime(r.Seconds)}
		if r.Status == statusFail {
			c.Failure = &junitFailure{}
			s.Failures++
			for i, d := range r.failures {
				if i == 0 {
					c.Failure.Message = d.Summary
				}
				c.Failure.Text += d.Error() + "\n"
			}
		}
		s.Tests++
		s.Cases = append(s.Cases, c)
		seconds[r.File] += r.Seconds
		s.Time = junitTime(seconds[r.File])
	}
	text, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", t.junit, err)
	}
	return atomicfile.WriteFile(t.junit, append([]byte(xml.Header), append(text, '\n')...), 0o644)
}

func junitTime(seconds float64) string { return fmt.Sprintf("%.3f", seconds) }
