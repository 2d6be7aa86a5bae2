package campaign

import "fmt"

// person is somebody made up who calls.
type person struct{ given, family, phone, birthDate string }

func (p person) name() string { return p.given + " " + p.family }

// areas are area codes of the North American plan; the numbers behind them are
// those kept for fiction (555-0100 to 555-0199).
var areas = []int{201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228, 229, 231, 234,
	239, 240, 248, 251, 252, 253, 254, 256, 260, 262, 267, 269, 270, 276, 281, 301, 302, 303, 304, 305, 307, 308, 309, 310, 312, 313, 314,
	315, 316, 317, 318, 319, 320, 321, 323, 325, 330, 334, 336, 337, 339, 347, 351, 352, 360, 361, 386, 401, 402, 404, 405, 406, 407, 408,
	409, 410, 412, 413, 414, 415, 417, 419, 423, 424, 425, 430, 432, 434, 435, 440, 443, 469, 478, 479, 480, 484, 501}

// somebody returns the i-th person. From the 10,000th on numbers are shared, by
// people who have different names.
func somebody(i int) person {
	family := ""
	for m := i + 26*26*26; m > 0; m /= 26 {
		family += string(rune('a' + m%26))
	}
	return person{"Marisol", "X" + family, fmt.Sprintf("+1%d55501%02d", areas[i/100%len(areas)], i%100),
		fmt.Sprintf("19%02d-%02d-%02d", 50+i%50, 1+i%12, 1+i%28)}
}
