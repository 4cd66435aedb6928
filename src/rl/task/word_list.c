#include "rl/task/word_list.h"

#include <assert.h>
#include <string.h>

/* By length, so that those of some lengths are a stretch of the table. */
static const char *const table[] = {
    "ant", "arm", "bag", "bat", "bed", "bee", "box", "boy", "bus", "cap", "car", "cat", "cow", "cup", "day", "dog",
    "ear", "egg", "eye", "fan", "fog", "fox", "hat", "hen", "ice", "ink", "jam", "jar", "key", "leg", "map", "net",
    "nut", "oak", "oil", "owl", "pen", "pie", "pig", "pot", "rat", "sea", "sky", "sun", "tea", "toy", "van", "zoo",
    "apple", "army", "baby", "ball", "bank", "barn", "bear", "bell", "bird", "boat", "book", "boot", "cake", "camp",
    "card", "city", "clay", "coat", "coin", "corn", "deer", "desk", "door", "drum", "duck", "farm", "fish", "flag",
    "frog", "game", "gate", "girl", "gold", "hand", "hill", "home", "horn", "iron", "king", "kite", "lake", "lamp",
    "leaf", "lion", "milk", "moon", "nest", "nose", "park", "path", "pear", "plum", "pond", "rain", "ring", "road",
    "rock", "roof", "room", "rope", "rose", "salt", "sand", "seed", "ship", "shoe", "snow", "song", "star", "tent",
    "town", "tree", "wall", "wind", "wolf", "wood", "yard", "beach", "berry", "bread", "brick", "brush", "cabin",
    "candy", "chair", "chalk", "cheek", "cloud", "clown", "coast", "crown", "dance", "dream", "eagle", "earth",
    "field", "flame", "floor", "fruit", "ghost", "glass", "goose", "grape", "grass", "green", "heart", "honey",
    "horse", "house", "juice", "knife", "lemon", "light", "lunch", "money", "mouse", "music", "night", "ocean",
    "onion", "paint", "paper", "party", "peach", "piano", "plant", "plate", "queen", "river", "robot", "salad",
    "sheep", "shelf", "shirt", "skate", "snake", "spoon", "stone", "storm", "sugar", "table", "tiger", "tooth",
    "tower", "train", "truck", "uncle", "water", "whale", "wheel", "zebra", "animal", "autumn", "basket", "bottle",
    "branch", "bridge", "bubble", "butter", "button", "camera", "candle", "carpet", "carrot", "castle", "cheese",
    "cherry", "circle", "coffee", "corner", "cotton", "cousin", "doctor", "dragon", "engine", "family", "farmer",
    "father", "feather", "finger", "flower", "forest", "friend", "garden", "guitar", "hammer", "island", "jacket",
    "jungle", "kitten", "ladder", "letter", "lizard", "market", "meadow", "mirror", "monkey", "mother", "needle",
    "number", "office", "orange", "oyster", "parrot", "pencil", "pepper", "pillow", "planet", "pocket", "potato",
    "rabbit", "ribbon", "rocket", "saddle", "school", "shadow", "silver", "sister", "spider", "spring", "summer",
    "sunset", "teacher", "temple", "ticket", "tomato", "turtle", "valley", "violin", "walnut", "window", "winter",
    "balloon", "bicycle", "blanket", "blossom", "brother", "cabbage", "captain", "chicken", "cottage", "curtain",
    "dolphin", "drawing", "evening", "factory", "giraffe", "hamster", "harvest", "holiday", "insect", "journey",
    "kitchen", "lantern", "leopard", "library", "machine", "morning", "octopus", "painter", "penguin", "picture",
    "pumpkin", "pyramid", "rainbow", "sandwich", "soldier", "station", "student", "thunder", "traffic", "village",
    "vinegar", "weather", "whistle", "airplane", "anything", "backpack", "birthday", "building", "campfire",
    "children", "cucumber", "daughter", "dinosaur", "elephant", "envelope", "football", "hospital", "kangaroo",
    "keyboard", "language", "mountain", "necklace", "notebook", "painting", "seashell", "squirrel", "starfish",
    "sunshine", "telegram", "treasure", "umbrella", "universe", "vacation", "blueberry", "breakfast", "butterfly",
    "classroom", "crocodile", "dandelion", "detective", "fireplace", "furniture", "happiness", "landscape",
    "lightning", "newspaper", "orchestra", "passenger", "pineapple", "porcupine", "raspberry", "saxophone",
    "telephone", "waterfall", "basketball", "blackboard", "chimpanzee", "everything", "flashlight", "friendship",
    "lighthouse", "motorcycle", "rhinoceros", "strawberry", "television", "watermelon", "woodpecker",
};

const char *fm_task_word(fm_dice *d, int least, int most) {
    assert(least <= most && most >= 3 && least <= 10);
    for (;;) {
        const char *word = table[fm_dice_between(d, 0, (int64_t)(sizeof table / sizeof *table) - 1)];
        int n = (int)strlen(word);
        if (n >= least && n <= most) return word;
    }
}

/* Is the word one of those in `all`, which has single blanks between? */
static bool occurs(const char *all, const char *word) {
    size_t n = strlen(word);
    for (const char *at = all; (at = strstr(at, word)); at += n)
        if ((at == all || at[-1] == ' ') && (at[n] == ' ' || !at[n])) return true;
    return false;
}

bool fm_task_words(fm_dice *d, int n, int least, int most, char *out, size_t size) {
    size_t used = 0;
    out[0] = 0;
    for (int i = 0; i < n;) {
        const char *word = fm_task_word(d, least, most);
        if (occurs(out, word)) continue;
        size_t length = strlen(word);
        if (used + length + 2 > size) return false;
        if (i++ > 0) out[used++] = ' ';
        memcpy(out + used, word, length + 1);
        used += length;
    }
    return true;
}

static bool blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

fm_list_answer fm_list_answer_of(const char *text, size_t size) {
    while (size && blank(*text)) text++, size--;
    while (size && blank(text[size - 1])) size--;
    bool opens = size && text[0] == '[', closes = size && text[size - 1] == ']';
    fm_list_answer list = {text, size, 0, opens == closes};
    if (opens && closes && size >= 2) list.text++, list.size -= 2;
    return list;
}

static bool refuse(fm_list_answer *list) {
    list->good = false;
    return false;
}

static void skip_blanks(fm_list_answer *list) {
    while (list->at < list->size && blank(list->text[list->at])) list->at++;
}

bool fm_list_answer_next(fm_list_answer *list, const char **piece, size_t *n) {
    if (!list->good) return false;
    bool first = list->at == 0;
    skip_blanks(list);
    if (list->at == list->size) return false;
    bool comma = list->text[list->at] == ',';
    if (comma) list->at++;
    skip_blanks(list);
    if (list->at == list->size || (comma && first)) return refuse(list);
    char quote = list->text[list->at];
    bool quoted = quote == '"' || quote == '\'';
    size_t begin = list->at += quoted;
    while (list->at < list->size && list->text[list->at] != (quoted ? quote : ',') &&
           (quoted || !blank(list->text[list->at])))
        list->at++;
    *piece = list->text + begin;
    *n = list->at - begin;
    if (!quoted) return *n > 0 || refuse(list);
    if (list->at == list->size) return refuse(list);
    list->at++;
    return true;
}

/* A whole number of at most 18 digits. */
static bool whole(const char *s, size_t n, int64_t *out) {
    bool minus = n && *s == '-';
    int64_t value = 0;
    if (minus) s++, n--;
    if (n == 0 || n > 18) return false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9') return false;
        value = value * 10 + (s[i] - '0');
    }
    *out = minus ? -value : value;
    return true;
}

bool fm_list_answer_is(const char *text, size_t size, const int64_t *numbers, size_t n) {
    fm_list_answer list = fm_list_answer_of(text, size);
    const char *piece;
    size_t length, i = 0;
    int64_t value;
    while (fm_list_answer_next(&list, &piece, &length)) {
        if (i == n || !whole(piece, length, &value) || value != numbers[i]) return false;
        i++;
    }
    return list.good && i == n;
}
