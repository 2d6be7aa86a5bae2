package asterisk_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringback-health/ringback/connectors/phone/asterisk"
	"github.com/ringback-health/ringback/connectors/phone/phonetest"
)

// row is a call detail record of cdr_csv with n columns, 16 to 21.
func row(n int, start string) string {
	fields := []string{
		`""`, `"2125550123"`, `"2125550100"`, `"from-pstn"`, `"""Sam Sample"" <2125550123>"`, `"SIP/trunk-00000001"`, `"SIP/301-00000002"`, `"Dial"`, `"SIP/301,30"`,
		`"` + start + `"`, ``, `"` + start + `"`, `12`, `0`, `"NO ANSWER"`, `"DOCUMENTATION"`,
	}
	switch n - len(fields) {
	case 1:
		fields = append(fields, `""`)
	case 2:
		fields = append(fields, `""`, `""`)
	case 3:
		fields = append(fields, `""`, `""`, `0`)
	case 5:
		fields = append(fields, `""`, `""`, `""`, `""`, `0`)
	}
	return strings.Join(fields, ",") + "\n"
}

func TestConformance(t *testing.T) {
	for _, c := range []struct {
		file   string
		header int
		at     func(string) string
	}{
		{"master-21-columns.csv", 0, func(s string) string { return row(21, s) }},
		{"master-18-columns.csv", 0, func(s string) string { return row(18, s) }},
		{"master-16-columns.csv", 0, func(s string) string { return row(16, s) }},
		{"custom-19-columns.csv", 0, func(s string) string {
			return fmt.Sprintf(`"""Sam Sample"" <2125550123>","2125550123","2125550100","from-pstn","SIP/trunk-00000001","","Hangup","","%s","%s","%s","12","12","ANSWERED","DOCUMENTATION","","","","3"`+"\n", s, s, s)
		}},
		{"table-with-names.csv", 1, func(s string) string {
			return "calldate,clid,src,dst,dcontext,channel,dstchannel,lastapp,lastdata,duration,billsec,disposition,uniqueid\n" +
				s + `,"""Sam Sample"" <2125550123>",2125550123,2125550100,from-pstn,SIP/trunk-00000001,SIP/301-00000002,Dial,"SIP/301,30",12,0,NO ANSWER,` + "\n"
		}},
	} {
		t.Run(c.file, func(t *testing.T) {
			phonetest.Run(t, phonetest.Case{Format: asterisk.Format{}, Log: load(t, c.file), Header: c.header, At: c.at})
		})
	}
}

func load(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
