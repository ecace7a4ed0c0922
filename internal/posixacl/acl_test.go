package posixacl

import (
	"slices"
	"testing"
)

// journal is what systemd gives /var/log/journal: the group adm, 4, may read.
var journal = ACL{{UserObj, 7, NoID}, {GroupObj, 5, NoID}, {Group, 5, 4}, {Mask, 5, NoID}, {Other, 5, NoID}}

func TestEncoding(t *testing.T) {
	const want = "\x02\x00\x00\x00\x01\x00\x07\x00\xff\xff\xff\xff\x04\x00\x05\x00\xff\xff\xff\xff\x08\x00\x05\x00\x04\x00\x00\x00" +
		"\x10\x00\x05\x00\xff\xff\xff\xff\x20\x00\x05\x00\xff\xff\xff\xff"
	if got := journal.Encode(); got != want {
		t.Errorf("got %q", got)
	}
	if got, err := Parse(want); err != nil || !slices.Equal(got, journal) {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := Parse(want[:4]); err != nil || got != nil {
		t.Errorf("without entries: %v, %v", got, err)
	}
}

func TestRefused(t *testing.T) {
	for name, a := range map[string]ACL{
		"no owner":   {{GroupObj, 5, NoID}, {Other, 5, NoID}},
		"no mask":    {{UserObj, 7, NoID}, {User, 1, 3}, {GroupObj, 5, NoID}, {Other, 5, NoID}},
		"two masks":  {{UserObj, 7, NoID}, {GroupObj, 5, NoID}, {Mask, 1, NoID}, {Mask, 1, NoID}, {Other, 5, NoID}},
		"twice":      {{UserObj, 7, NoID}, {User, 1, 3}, {User, 1, 3}, {GroupObj, 5, NoID}, {Mask, 7, NoID}, {Other, 5, NoID}},
		"order":      {{UserObj, 7, NoID}, {Other, 5, NoID}, {GroupObj, 5, NoID}},
		"rights":     {{UserObj, 8, NoID}, {GroupObj, 5, NoID}, {Other, 5, NoID}},
		"nobody":     {{UserObj, 7, NoID}, {User, 1, NoID}, {GroupObj, 5, NoID}, {Mask, 7, NoID}, {Other, 5, NoID}},
		"unknown":    {{UserObj, 7, NoID}, {GroupObj, 5, NoID}, {Other, 5, NoID}, {0x40, 5, NoID}},
		"tag of two": {{UserObj, 7, NoID}, {3, 7, NoID}, {GroupObj, 5, NoID}, {Other, 5, NoID}},
	} {
		if got, err := Parse(a.Encode()); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	for _, text := range []string{"", "\x02\x00\x00", "\x01\x00\x00\x00", "\x02\x00\x00\x00\x01"} {
		if got, err := Parse(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestMode(t *testing.T) {
	plain := ACL{{UserObj, 6, NoID}, {GroupObj, 4, NoID}, {Other, 0, NoID}}
	if got := plain.Mode(0o4777); got != 0o4640 || !plain.Plain() || journal.Plain() {
		t.Errorf("plain: %o", got)
	}
	if got := journal.Mode(0o2700); got != 0o2755 {
		t.Errorf("with a mask: %o", got)
	}
	secret := ACL{{UserObj, 6, NoID}, {User, 0, 9}, {GroupObj, 7, NoID}, {Group, 4, 4}, {Mask, 6, NoID}, {Other, 5, NoID}}
	for name, c := range map[string]struct {
		acl  ACL
		want uint32
	}{"journal": {journal, 0o2755}, "plain": {plain, 0o2640}, "somebody has less": {secret, 0o2600}} {
		if got := c.acl.Without(c.acl.Mode(0o2000)); got != c.want {
			t.Errorf("%s, without the list: %o, want %o", name, got, c.want)
		}
	}
	changed := journal.WithMode(0o2740)
	if got := changed.Mode(0o2000); got != 0o2740 || changed[1].Perm != 5 || changed[2].Perm != 5 {
		t.Errorf("after chmod: %v", changed)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(journal.Encode())
	f.Add("\x02\x00\x00\x00")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(a.Encode())
		if err != nil || !slices.Equal(a, again) {
			t.Errorf("%v, then %v, %v", a, again, err)
		}
	})
}
