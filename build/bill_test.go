package build_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A component of a bill of materials, as CycloneDX has it.
type component struct {
	Type    string `json:"type"`
	Ref     string `json:"bom-ref"`
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl"`
	Hashes  []struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	} `json:"hashes"`
	Licenses []struct {
		License struct {
			ID string `json:"id"`
		} `json:"license"`
	} `json:"licenses"`
}

// A bill is a bill of materials, as far as it is looked at here.
type bill struct {
	Format       string `json:"bomFormat"`
	Spec         string `json:"specVersion"`
	Metadata     struct{ Component component }
	Components   []component
	Dependencies []struct {
		Ref       string
		DependsOn []string
	}
}

// mustBill compares a folder's bill of materials with its programs, asked by `go version -m`: each is in it, with the modules that it has, and nothing else
// is. Each module has a version, a package URL and a licence.
func mustBill(t *testing.T, folder, version string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, "vitrine-"+version+".cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var b bill
	if err := json.Unmarshal(data, &b); err != nil {
		t.Fatal(err)
	}
	if b.Format != "CycloneDX" || b.Spec != "1.6" || b.Metadata.Component.Version != version {
		t.Errorf("it is %s %s, of version %s", b.Format, b.Spec, b.Metadata.Component.Version)
	}
	sums, depends := linked(t, folder)
	for _, c := range b.Components {
		sum, known := sums[c.Ref]
		delete(sums, c.Ref) // a second time it isn't known
		switch {
		case !known:
			t.Errorf("%s is in no program, or twice in the bill", c.Ref)
		case len(c.Licenses) == 0 || c.Licenses[0].License.ID == "":
			t.Errorf("%s has no licence", c.Ref)
		case sum == "" && (c.Type != "library" || c.Version == "" || c.PURL != c.Ref || c.PURL != "pkg:golang/"+c.Name+"@"+c.Version):
			t.Errorf("the module is %+v", c)
		case sum != "" && (c.Type != "application" || c.Version != version || len(c.Hashes) != 1 || c.Hashes[0].Algorithm != "SHA-256" || c.Hashes[0].Content != sum):
			t.Errorf("the program, of SHA-256 %s, is %+v", sum, c)
		}
	}
	for ref := range sums {
		t.Errorf("%s isn't in the bill", ref)
	}
	for _, d := range b.Dependencies {
		slices.Sort(d.DependsOn)
		if on, known := depends[d.Ref]; !known || !slices.Equal(on, d.DependsOn) {
			t.Errorf("%s depends on %q, in the bill on %q", d.Ref, on, d.DependsOn)
		}
		delete(depends, d.Ref)
	}
	for ref := range depends {
		t.Errorf("the bill doesn't say on what %s depends", ref)
	}
}

// linked says what is to be in the bill, by its references there: of programs their SHA-256, of modules nothing; and what depends on what.
func linked(t *testing.T, folder string) (sums map[string]string, depends map[string][]string) {
	t.Helper()
	programs, err := filepath.Glob(filepath.Join(folder, "*-*", "vitrine*"))
	if err != nil || len(programs) == 0 {
		t.Fatalf("%v: there are no programs in %s", err, folder)
	}
	sums, depends = map[string]string{}, map[string][]string{}
	for _, path := range programs {
		ref := filepath.Base(filepath.Dir(path)) + "/" + strings.TrimSuffix(filepath.Base(path), ".exe")
		sums[ref], depends[ref] = sumOf(t, path), modulesOf(t, path)
		depends["vitrine"] = append(depends["vitrine"], ref)
		for _, m := range depends[ref] {
			sums[m], depends[m] = "", nil
		}
	}
	slices.Sort(depends["vitrine"])
	return sums, depends
}

func sumOf(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// modulesOf are the package URLs of all that `go version -m` finds in a program, Go's own library included.
func modulesOf(t *testing.T, path string) []string {
	t.Helper()
	first, rest, _ := strings.Cut(output(t, "go", "version", "-m", path), "\n")
	urls := []string{"pkg:golang/std@" + strings.TrimPrefix(first[strings.LastIndex(first, " ")+1:], "go")}
	for line := range strings.Lines(rest) {
		switch f := strings.Fields(line); {
		case len(f) > 2 && f[0] == "dep":
			urls = append(urls, "pkg:golang/"+f[1]+"@"+f[2])
		case len(f) > 2 && f[0] == "=>": // in place of the one before
			urls[len(urls)-1] = "pkg:golang/" + f[1] + "@" + f[2]
		}
	}
	if len(urls) < 5 {
		t.Fatalf("%s has only %q", path, urls)
	}
	slices.Sort(urls)
	return urls
}
