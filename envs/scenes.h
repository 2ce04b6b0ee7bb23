/* The MJCF texts of envs/<name>.xml, built into the library (cmake/embed.cmake). Internal. */
#ifndef ML3_ENVS_SCENES_H
#define ML3_ENVS_SCENES_H

extern const char ml3_acrobot_xml[];
extern const char ml3_cart_pole_xml[];
extern const char ml3_mountain_car_xml[];
extern const char ml3_pendulum_xml[];

#endif
