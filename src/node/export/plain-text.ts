/** @file A page of English that is no task's, in letters, spaces and full stops only, so that any tokenizer can read it. */

export const plainText = `The river comes down from the hills in the north and passes the old mill before it reaches the town. In spring the water is high and brown and nobody crosses it by boat. In summer children stand in it up to their knees and look for stones that shine. The miller has been dead for many years and his house is now a school where forty children learn to read and to count.

On market days the square is full before the sun is up. Farmers bring apples and cheese and bread that is still warm. A woman sells clocks that her brother repairs in the winter. Some of them run fast and some of them run slow but all of them make the same quiet sound. People come from the villages around to buy what they need and to hear what has happened since the last time they met.

The doctor lives at the end of the street behind a green door. She studied in the capital and came back because her mother was ill. When her mother was well again she stayed. She says that most people who come to her need sleep more than they need medicine and that the rest need someone who listens. At night a light burns in her window until late because she reads everything that is written about the heart.

Light travels faster than sound and so the flash of a storm is seen before the thunder is heard. If you count the seconds between the two you know how far away the storm is. Three seconds are about one kilometre. When the time grows shorter the storm is coming nearer and it is wise to go inside. A tall tree that stands alone is the worst place to wait because it is the highest point for a long way around.

To make a simple soup you need an onion and some carrots and a little oil. Cut the vegetables into small pieces and let them become soft in the oil over a low fire. Then add water and salt and whatever herbs you have. Let it cook for half an hour. If it tastes of nothing add more salt and if it tastes of salt add a potato. Serve it hot with bread and do not burn your tongue.

A library is a place where a town keeps what it does not want to forget. Ours has two rooms and a cat. The first room holds stories and the second holds facts and the cat sleeps between them as if to say that it does not matter much. Every book may be taken home for a month. Those who bring one back late must tell the librarian how it ended.

The train to the coast leaves twice a day. It is never full except in August when families travel to the sea with umbrellas and balls and too many bags. The journey takes three hours and the last part of it runs so close to the water that on windy days the windows are wet with salt. At the final station there is a bench and on it an old captain who tells anyone who asks that tomorrow will be fine.`;
