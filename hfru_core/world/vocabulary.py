"""The words for things that the bundled model's tokenizer knows, besides those it is asked with.

They are no word lists: what names a concept stands in assets/concepts and may grow, while the
vocabulary of a trained model stays.
"""

from __future__ import annotations

OTHER_WORDS = (
    "bicycle bike vehicle",
    "boat sailboat ship yacht vehicle",
    "cactus cacti plant",
    "car automobile sedan vehicle",
    "castle fortress building structure",
    "cat kitten kitty feline animal creature mammal pet beast",
    "dog puppy puppies pup hound canine doggy terrier poodle labrador beagle husky collie corgi "
    "dachshund animal creature mammal pet beast",
    "drum drumkit instrument",
    "elephant mammoth animal creature mammal pet beast",
    "giraffe animal creature mammal pet beast",
    "guitar ukulele instrument",
    "horse pony ponies foal mare stallion colt filly steed equine animal creature mammal pet beast",
    "house cottage cabin villa mansion building structure",
    "lighthouse building structure",
    "person man woman boy girl men women people child kid lady guy figure shape",
    "piano instrument",
    "tree plant",
)
STRANGERS = (
    "someone I don't know I don't know this person I don't know who this is someone a person"
)
