package phone

import "strings"

// withheldWords are what phone systems write in the place of a number that was
// withheld, not delivered, or not known. Compared without case, space, dots,
// hyphens and underscores.
var withheldWords = map[string]bool{
	"": true, "anonymous": true, "unknown": true, "restricted": true, "private": true, "withheld": true,
	"blocked": true, "unavailable": true, "notavailable": true, "unassigned": true, "outofarea": true,
	"none": true, "null": true, "na": true, "n/a": true, "nonumber": true, "nocallerid": true,
	"anonymouscaller": true, "unknowncaller": true, "callerunknown": true, "privatecaller": true, "blockedcaller": true,
	"unknownnumber": true, "privatenumber": true, "restrictednumber": true, "blockednumber": true,
	"numberwithheld": true, "numberunavailable": true, "callerwithheld": true, "callerunavailable": true,
}

// withheldDigits are such words typed on a keypad: some carriers and voice
// platforms deliver ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and UNAVAILABLE as
// digits behind a plus sign, where several of them look like real numbers of
// other countries.
var withheldDigits = map[string]bool{
	"+266696687": true, "266696687": true,
	"+7378742833": true, "+2562533": true, "+8656696": true, "+86282452253": true,
}

var punctuation = strings.NewReplacer(" ", "", ".", "", "-", "", "_", "")

// Withheld reports whether raw stands for a caller whose number is not known:
// empty, a word such as "anonymous" or "Private Number", or one of the digit
// strings that mean the same.
func Withheld(raw string) bool {
	s := bare(raw)
	if withheldDigits[s] {
		return true
	}
	s = strings.Trim(strings.ToLower(s), "<>()[]\"")
	return withheldWords[punctuation.Replace(s)]
}
